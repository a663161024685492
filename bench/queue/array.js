// The queue that is replaced: an array of jobs in the order of their priority, splice() to put one into its place,
// shift() to take the first, and a look for the id before. Once as it is usually written, with linear searches, and once
// as well as an array allows: a binary search for the place, a Set for the ids. And an array as a FIFO: push(), shift().
//
//     node array.js SECONDS        a line of JSON for each, which takes about so long
"use strict";

const sizes = [1, 50, 500, 100000];
const seconds = Number(process.argv[2] || 0.3);

const linear = {
  add(queue, job) {
    if (queue.jobs.some((other) => other.id === job.id)) return false;
    const at = queue.jobs.findIndex((other) => other.priority < job.priority);
    if (at < 0) queue.jobs.push(job);
    else queue.jobs.splice(at, 0, job);
    return true;
  },
  take: (queue) => queue.jobs.shift(),
};

const binary = {
  add(queue, job) {
    if (queue.ids.has(job.id)) return false;
    queue.ids.add(job.id);
    let low = 0;
    let high = queue.jobs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (queue.jobs[middle].priority < job.priority) high = middle;
      else low = middle + 1;
    }
    queue.jobs.splice(low, 0, job);
    return true;
  },
  take(queue) {
    const job = queue.jobs.shift();
    queue.ids.delete(job.id);
    return job;
  },
};

const fifo = {
  add: (queue, job) => queue.jobs.push(job) > 0,
  take: (queue) => queue.jobs.shift(),
};

let state = 1;
function priority() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return 70 + ((state >>> 8) % 116);
}

function hold(kind, size) {
  const queue = { jobs: [], ids: new Set() };
  let id = 0;
  const job = () => ({ id: `job-${id++}`, priority: priority() });
  if (kind === fifo) while (id < size) kind.add(queue, job());
  else {
    // As it would have come to be, without the time that takes.
    while (id < size) queue.jobs.push(job());
    queue.jobs.sort((a, b) => b.priority - a.priority);
    for (const each of queue.jobs) queue.ids.add(each.id);
  }
  let operations = 0;
  let spent = 0;
  const begin = process.cpuUsage();
  for (let batch = 1; spent < seconds * 1e6; batch = Math.min(2 * batch, 4096)) {
    for (let i = 0; i < batch; i++) {
      kind.take(queue);
      if (!kind.add(queue, job())) throw new Error("a job was not taken");
    }
    operations += batch;
    const usage = process.cpuUsage(begin);
    spent = usage.user + usage.system;
  }
  if (queue.jobs.length !== size) throw new Error("jobs were lost");
  return (1000 * spent) / operations;
}

for (const [kind, contender, methods] of [
  ["priority", "node, shift and splice", linear],
  ["priority", "node, the same with a Set and a binary search", binary],
  ["fifo", "node, push and shift", fifo],
]) {
  hold(methods, 500); // compiles it
  for (const size of sizes) {
    console.log(JSON.stringify({ kind, contender, size, nanoseconds: hold(methods, size) }));
  }
}
