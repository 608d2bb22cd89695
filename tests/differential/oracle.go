// SPDX-License-Identifier: Apache-2.0

// What Docker's own decoder makes of a JSON text. Reads texts from stdin, each behind a line with its length; answers one line each:
// "invalid", or "valid" and what a structure with Docker's kinds of fields holds afterwards.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
)

type leaf struct {
	Text   string
	Number int64
	Flag   bool
	List   []string
	Labels map[string]string
	Maybe  *int64
}

type tree struct {
	HostConfig leaf
	Pointer    *leaf
	Leaves     []leaf
	Skip       bool
}

func (l *leaf) show() string {
	if l == nil {
		return "-"
	}
	parts := []string{hex.EncodeToString([]byte(l.Text)), strconv.FormatInt(l.Number, 10), strconv.FormatBool(l.Flag)}
	list := []string{}
	for _, s := range l.List {
		list = append(list, hex.EncodeToString([]byte(s)))
	}
	sum := 0
	for k, v := range l.Labels {
		sum += len(k)*31 + len(v)
	}
	maybe := "-"
	if l.Maybe != nil {
		maybe = strconv.FormatInt(*l.Maybe, 10)
	}
	return strings.Join(parts, ",") + ",[" + strings.Join(list, " ") + "]," + strconv.Itoa(len(l.Labels)) + ":" + strconv.Itoa(sum) + "," + maybe
}

func main() {
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
		if !json.Valid(text) {
			fmt.Fprintln(out, "invalid")
			continue
		}
		var t tree
		decoded := "type"
		if err := json.Unmarshal(text, &t); err == nil {
			leaves := []string{}
			for i := range t.Leaves {
				leaves = append(leaves, t.Leaves[i].show())
			}
			decoded = t.HostConfig.show() + "|" + t.Pointer.show() + "|" + strings.Join(leaves, ";")
		}
		utf := "utf8"
		if !utf8.Valid(text) {
			utf = "bytes"
		}
		fmt.Fprintln(out, "valid", utf, decoded)
	}
}
