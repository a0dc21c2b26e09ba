// What a lane needs of Kafka: bundled into every lane that reads or writes there.
export {};
