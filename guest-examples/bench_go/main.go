// Reads `{"name": "you"}` and prints `{"hello":"you"}`.
package main

import (
	"encoding/json/jsontext"
	"errors"
	"io"
	"os"
)

func main() {
	name, err := name(os.Stdin)
	if err == nil {
		err = hello(os.Stdout, name)
	}
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}

// name finds the name in an object.
func name(input io.Reader) (string, error) {
	decoder := jsontext.NewDecoder(input)
	if start, err := decoder.ReadToken(); err != nil || start.Kind() != '{' {
		return "", errors.Join(errors.New("the input is no object"), err)
	}
	for decoder.PeekKind() == '"' {
		key, err := decoder.ReadToken()
		if err != nil {
			return "", err
		}
		if key.String() == "name" && decoder.PeekKind() == '"' {
			value, err := decoder.ReadToken()
			return value.String(), err
		}
		if err := decoder.SkipValue(); err != nil {
			return "", err
		}
	}
	return "", errors.New("there is no name")
}

func hello(output io.Writer, name string) error {
	encoder := jsontext.NewEncoder(output)
	tokens := []jsontext.Token{
		jsontext.BeginObject, jsontext.String("hello"), jsontext.String(name), jsontext.EndObject,
	}
	for _, token := range tokens {
		if err := encoder.WriteToken(token); err != nil {
			return err
		}
	}
	return nil
}
