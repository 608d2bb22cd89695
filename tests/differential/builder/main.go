// SPDX-License-Identifier: Apache-2.0

// What Docker's own libraries make of a text. Reads texts from stdin, each behind a line with its length, and answers one line each.
//
//	builder dockerfile   "error", or: "syntax" or "-", "run" or "-", and the instructions, in hex
//	builder reference    "error", or: host, path, "digest" or "-"
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

func flag(set bool, word string) string {
	if set {
		return word
	}
	return "-"
}

func dockerfile(text []byte) string {
	_, _, _, syntax := parser.DetectSyntax(text)
	result, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return "error " + flag(syntax, "syntax")
	}
	run, lines := false, []string{}
	for _, node := range result.AST.Children {
		lines = append(lines, hex.EncodeToString([]byte(strings.TrimSpace(node.Original))))
		for inner := node; inner != nil; {
			run = run || strings.EqualFold(inner.Value, "run")
			if !strings.EqualFold(inner.Value, "onbuild") || inner.Next == nil || len(inner.Next.Children) == 0 {
				break
			}
			inner = inner.Next.Children[0]
		}
	}
	return flag(syntax, "syntax") + " " + flag(run, "run") + " " + strings.Join(lines, ",")
}

func image(text []byte) string {
	named, err := reference.ParseNormalizedNamed(string(text))
	if err != nil {
		return "error"
	}
	_, digested := named.(reference.Digested)
	return reference.Domain(named) + " " + reference.Path(named) + " " + flag(digested, "digest")
}

func main() {
	answer := map[string]func([]byte) string{"dockerfile": dockerfile, "reference": image}[os.Args[1]]
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			panic(err)
		}
		text := make([]byte, n)
		if _, err := io.ReadFull(in, text); err != nil {
			panic(err)
		}
		fmt.Fprintln(out, answer(text))
	}
}
