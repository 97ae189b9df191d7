// Command sarif holds the SARIF log on its standard input against the schema that OASIS publishes, and prints where
// it departs from it.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/santhosh-tekuri/jsonschema/v6"
	// Its tests have the schema as OASIS publishes it; the harness lays the file beside this program.
	_ "github.com/securego/gosec/v2/cwe"
)

const schemaFile = "report/sarif/testdata/sarif-schema-2.1.0.json"

func main() {
	if err := check(os.Stdin); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n", err)
		os.Exit(1)
	}
}

func check(log io.Reader) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile(filepath.Join(filepath.Dir(program), schemaFile))
	if err != nil {
		return err
	}
	document, err := jsonschema.UnmarshalJSON(log)
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	err = schema.Validate(document)
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		return fmt.Errorf("%#v", invalid)
	}
	return err
}
