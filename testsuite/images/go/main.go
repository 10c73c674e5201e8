// A Go program that shows its runtime at work: goroutines, channels, maps, panics, the garbage collector, JSON, big numbers.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
)

type shape interface{ area() float64 }
type square struct{ Side float64 }
type circle struct{ Radius float64 }

func (s square) area() float64 { return s.Side * s.Side }
func (c circle) area() float64 { return math.Pi * c.Radius * c.Radius }

func hello() { fmt.Println("hello from Go") }

func panics() {
	defer func() { fmt.Println("recovered:", recover()) }()
	var array []int
	fmt.Println(array[3])
}

func channels() {
	numbers, squares := make(chan int), make(chan int, 4)
	var group sync.WaitGroup
	for worker := 0; worker < 4; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for n := range numbers {
				squares <- n * n
			}
		}()
	}
	go func() {
		for n := 1; n <= 1000; n++ {
			numbers <- n
		}
		close(numbers)
		group.Wait()
		close(squares)
	}()
	sum := 0
	for s := range squares {
		sum += s
	}
	fmt.Println("sum of squares:", sum)
}

func encoding() {
	text, err := json.Marshal(map[string]any{"squares": []square{{1}, {2.5}}, "name": "Go", "deep": map[string]int{"a": 1}})
	fmt.Println(string(text), err)
	var back struct{ Squares []square }
	fmt.Println(json.Unmarshal(text, &back), back)
}

func numbers() {
	factorial := big.NewInt(1)
	for n := int64(2); n <= 100; n++ {
		factorial.Mul(factorial, big.NewInt(n))
	}
	fmt.Println("100! =", factorial)
	for _, s := range []shape{square{3}, circle{1.5}} {
		fmt.Printf("%T %.6f\n", s, s.area())
	}
	fmt.Println(math.Sin(1), math.Exp(2.5), math.Inf(-1), math.NaN(), math.FMA(2, 3, 4))
}

func garbage() {
	kept := map[int]string{}
	for i := 0; i < 200000; i++ {
		kept[i%1000] = strings.Repeat("x", i%64)
	}
	runtime.GC()
	total := 0
	for _, text := range kept {
		total += len(text)
	}
	fmt.Println("kept:", len(kept), total)
}

// A thousand goroutines, in a ring and all at once, while garbage is collected under them.
func goroutines() {
	const count = 1000
	first := make(chan []byte)
	in := first
	for n := 0; n < count; n++ {
		out := make(chan []byte)
		go func(in, out chan []byte, n int) {
			for message := range in {
				// A copy each time: what is passed on is garbage soon.
				out <- append(append([]byte{}, message...), byte(n))
			}
			close(out)
		}(in, out, n)
		in = out
	}
	go func() {
		for round := 0; round < 5; round++ {
			first <- []byte{byte(round)}
		}
		close(first)
	}()
	for message := range in {
		fmt.Printf("%d bytes %x\n", len(message), sha256.Sum256(message))
	}
	var group sync.WaitGroup
	var lock sync.Mutex
	trees, sum := map[int]*tree{}, 0
	for n := 0; n < count; n++ {
		group.Add(1)
		go func(n int) {
			defer group.Done()
			grown := grow(n % 9)
			if n%100 == 0 {
				runtime.GC()
			}
			lock.Lock()
			defer lock.Unlock()
			trees[n%50], sum = grown, sum+grown.count()
		}(n)
	}
	group.Wait()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Println(len(trees), sum, stats.NumGC > 0)
}

type tree struct{ left, right *tree }

func grow(depth int) *tree {
	if depth == 0 {
		return &tree{}
	}
	return &tree{grow(depth - 1), grow(depth - 1)}
}

func (t *tree) count() int {
	if t == nil {
		return 0
	}
	return 1 + t.left.count() + t.right.count()
}

func depth(n int) int {
	if n == 0 {
		return 0
	}
	return depth(n-1) + 1
}

// One line in, one line out: whoever asks and this program take turns.
func echo() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Printf("%s, %d bytes\n", strings.ToLower(lines.Text()), len(lines.Text()))
	}
}

func words() {
	counts := map[string]int{}
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Split(bufio.ScanWords)
	for scanner.Scan() {
		counts[scanner.Text()]++
	}
	var keys []string
	for key := range counts {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		fmt.Println(key, counts[key], fmt.Sprintf("%x", sha256.Sum256([]byte(key)))[:16])
	}
}

func main() {
	tests := map[string]func(){
		"hello": hello, "panics": panics, "channels": channels, "encoding": encoding, "numbers": numbers, "garbage": garbage,
		"words": words, "echo": echo, "goroutines": goroutines, "depth": func() { fmt.Println("depth:", depth(1000000)) }, "exit": func() { os.Exit(42) },
		"crash": func() { fmt.Println(1 / len(os.Args[2:])) },
	}
	for _, name := range os.Args[1:] {
		test, known := tests[name]
		if !known {
			fmt.Fprintln(os.Stderr, "no test", name)
			os.Exit(2)
		}
		test()
	}
}
