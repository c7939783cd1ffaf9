// What reads YAML files as people write them; apart, for it brings a YAML library along.
export { parseYaml, type Contradiction, type YamlForm } from './yaml/parse-yaml.js';
