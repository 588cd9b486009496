// A bare grpc-js server: answers every call with as many bytes as the argument says, and does nothing else.
import * as grpc from '@grpc/grpc-js';

const answer = Buffer.alloc(Number(process.argv[2]), 120);
const same = (bytes: Buffer) => bytes;
const definition = {
  path: '/bench.Echo/Get',
  requestStream: false,
  responseStream: false,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};

const server = new grpc.Server();
const get: grpc.handleUnaryCall<Buffer, Buffer> = (_call, callback) => callback(null, answer);
server.addService({ get: definition }, { get });
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.send?.({ port });
});
process.on('disconnect', () => process.exit());
