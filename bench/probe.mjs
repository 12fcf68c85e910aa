// Loaded into the service where its memory is measured (node --expose-gc --import): tells it after a full garbage collection.
process.channel?.unref();
process.on('message', () => {
  for (let round = 0; round < 3; round++) globalThis.gc();
  const { rss, heapUsed, external } = process.memoryUsage();
  process.send({ rss, heapUsed, external });
});
process.channel?.unref(); // a listener has taken hold of it again
