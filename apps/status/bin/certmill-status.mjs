#!/usr/bin/env -S node --max-semi-space-size=4 --heap-growing-percent=150 --v8-pool-size=1
// As `certmill` itself (docs/performance.md).
import '../dist/main.js';
