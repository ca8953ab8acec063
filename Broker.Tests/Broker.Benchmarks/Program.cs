using System.CommandLine;
using Broker.Benchmarks;

var root = new RootCommand("Measures the product against the bare broker, in the same run on the same machine.") { RelayBenchmark.Command() };
return await root.Parse(args).InvokeAsync();
