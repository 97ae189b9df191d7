module headroom.dev/e2e/tools/leash

go 1.26.0
