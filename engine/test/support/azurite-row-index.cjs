// Loaded into Azurite before it starts. It looks entities up by PartitionKey first, which all rows of ours share, and so
// reads the whole table for each of them; by RowKey first, Loki's index finds the one. Nothing else changes.
const { createRequire } = require('node:module');

const loki = createRequire(require.resolve('azurite/dist/src/azurite.js'))('lokijs');
const { findOne } = loki.Collection.prototype;

loki.Collection.prototype.findOne = function findByRowKeyFirst(query) {
  const { PartitionKey, RowKey, ...others } = query ?? {};
  if (PartitionKey === undefined || RowKey === undefined) return findOne.call(this, query);
  return findOne.call(this, { RowKey, PartitionKey, ...others });
};
