// What programs of today do: timers, promises, workers, child processes.
'use strict';
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { execFile, spawnSync } = require('child_process');

if (!isMainThread) {
    parentPort.once('message', (n) => parentPort.postMessage(n * workerData));
} else {
    main();
}

async function main() {
    setImmediate(() => {
        console.log('immediate');
        setTimeout(() => console.log('later'), 20);
    });
    process.nextTick(() => console.log('tick'));
    Promise.resolve().then(() => console.log('promise'));
    console.log(process.version, [3, 1, 2].sort(), /(?<y>\d{4})/.exec('in 2024').groups.y, 2n ** 70n);
    await new Promise((resolve) => setTimeout(() => setTimeout(resolve, 40), 20));

    const answers = [1, 2].map((workerData) => new Promise((resolve, reject) => {
        const worker = new Worker(__filename, { workerData });
        worker.on('error', reject);
        worker.once('message', resolve);
        worker.postMessage(21);
    }));
    console.log(await Promise.all(answers));

    console.log(await new Promise((resolve) => execFile('echo', ['from', 'a', 'child'], (error, out) => resolve(out))));
    const { status, stdout } = spawnSync('sh', ['-c', 'read line; echo "<$line>"; exit 3'], { input: 'text\n' });
    console.log(status, stdout.toString());
    process.on('exit', (status) => console.log('ends', status));
    process.exitCode = 5;
}
