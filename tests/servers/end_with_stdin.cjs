// Loaded before a server: it ends with its standard input, so that none is left when the tests are killed.
process.stdin.on("end", () => process.exit(0));
process.stdin.on("error", () => process.exit(0));
process.stdin.resume();
