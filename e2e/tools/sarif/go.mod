module headroom.dev/e2e/tools/sarif

go 1.26.0

require (
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // indirect
	github.com/securego/gosec/v2 v2.30.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)
