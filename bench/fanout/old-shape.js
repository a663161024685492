// The old shape: a WAV broadcaster that writes every chunk to every listener
// and never looks at what write() returns. What a listener does not read is
// queued in this process, without a bound. Kept to show what that costs.
//
//   generator | node old-shape.js
'use strict';

const http = require('http');

const listeners = new Set();

function wavHeader() {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(0xffffffff, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20); // PCM
  header.writeUInt16LE(2, 22); // channels
  header.writeUInt32LE(48000, 24);
  header.writeUInt32LE(192000, 28);
  header.writeUInt16LE(4, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(0xffffffff, 40);
  return header;
}

const server = http.createServer((request, response) => {
  response.useChunkedEncodingByDefault = false;
  response.writeHead(200, {
    'Content-Type': 'audio/wav', 'Connection': 'close'});
  response.write(wavHeader());
  listeners.add(response);
  response.on('close', () => listeners.delete(response));
});

process.stdin.on('data', (chunk) => {
  for (const response of listeners) response.write(chunk);
});
process.stdin.on('end', () => process.exit(0));

server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
