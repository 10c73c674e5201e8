import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** What a small program of today does: collections, streams, exceptions, threads, strings of other alphabets. */
public class Hello {
    static class Counter {
        private int count;

        synchronized void add(int n) {
            count += n;
        }
    }

    static int length(String text) {
        return text.length();
    }

    public static void main(String[] args) throws Exception {
        System.out.println("Hello, " + (args.length > 0 ? args[0] : "world"));
        System.out.println(IntStream.rangeClosed(1, 10).mapToObj(i -> i * i + "").collect(Collectors.joining(" ")));
        // The processor's fault is the check.
        try {
            length(null);
        } catch (NullPointerException e) {
            System.out.println("no text");
        }
        try {
            System.out.println(args[args.length]);
        } catch (ArrayIndexOutOfBoundsException e) {
            System.out.println(e.getMessage());
        }
        Counter counter = new Counter();
        List<Thread> threads = new ArrayList<>();
        for (int t = 1; t <= 4; t++) {
            int n = t;
            threads.add(new Thread(() -> IntStream.range(0, 1000).forEach(i -> counter.add(n))));
        }
        threads.forEach(Thread::start);
        for (Thread thread : threads) {
            thread.join();
        }
        var pool = Executors.newScheduledThreadPool(2);
        int later = pool.schedule(() -> counter.count * 2, 10, TimeUnit.MILLISECONDS).get();
        pool.shutdown();
        System.gc();
        System.out.printf("%d %d %.3f %s%n", counter.count, later, Math.exp(1), "é∑".codePointCount(0, 2));
        System.exit(3);
    }
}
