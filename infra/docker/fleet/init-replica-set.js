// For mongosh: makes the replica set of docker-compose.yml, once, and waits for its primary.
const members = ['mongo-1', 'mongo-2', 'mongo-3'].map((name, _id) => ({
  _id,
  host: `${name}:27017`,
}));
const notYetInitialized = 94;

try {
  rs.status();
} catch (error) {
  if (error.code !== notYetInitialized) throw error;
  rs.initiate({ _id: 'certmill', members });
}
while (!rs.status().members.some(({ stateStr }) => stateStr === 'PRIMARY')) sleep(500);
