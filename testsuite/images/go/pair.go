// A second program that is linked for the same addresses as the first: it runs it again and again, both at once, and works in between.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

func answer(line string) string { return strings.ToUpper(line) + "!" }

func main() {
	for round := 0; round < 3; round++ {
		output, err := exec.Command("go-test", "hello", "encoding").CombinedOutput()
		fmt.Println(answer(string(output)), err)
	}
	other := exec.Command("go-test", "echo")
	input, _ := other.StdinPipe()
	output, _ := other.StdoutPipe()
	if err := other.Start(); err != nil {
		fmt.Println(err)
		return
	}
	lines := bufio.NewScanner(output)
	for turn := 0; turn < 100; turn++ {
		fmt.Fprintf(input, "turn %d\n", turn)
		lines.Scan()
		fmt.Println(answer(lines.Text()))
	}
	_ = input.Close()
	_, _ = io.Copy(io.Discard, output)
	fmt.Println(other.Wait())
}
