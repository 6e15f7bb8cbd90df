// Loads Compose files as the Compose specification has it and prints the project that they make, as JSON. Variables come
// from the environment alone. Whatever the specification does not know, and whatever is missing, ends it with a message.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func load(files []string) ([]byte, error) {
	everyProfile := cli.WithProfiles([]string{"*"})
	options, err := cli.NewProjectOptions(files, cli.WithOsEnv, everyProfile)
	if err != nil {
		return nil, err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return nil, err
	}
	return project.MarshalJSON()
}

func main() {
	json, err := load(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Stdout.Write(json)
}
