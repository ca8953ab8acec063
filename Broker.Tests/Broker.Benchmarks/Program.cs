using System.CommandLine;
using Broker.Benchmarks;

var root = new RootCommand("Measures the product, and tries it for as long as you like, on real servers.") { RelayBenchmark.Command(), HeldBenchmark.Command(), BacklogBenchmark.Command(), WriterCampaignCommand.Command() };
return await root.Parse(args).InvokeAsync();
