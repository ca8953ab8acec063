using System.CommandLine;
using Broker;
using Broker.Benchmarks;
using Broker.Commands;

SharedBuffers.KeepMore();
var root = new RootCommand("Measures the product, and tries it for as long as you like, on real servers.") { HeldBenchmark.Command(), BacklogBenchmark.Command(), NotifyBenchmark.Command(), DashboardBenchmark.Command(), WriterCampaignCommand.Command(), BenchCommand.Child() };
foreach (var verb in BenchCommand.Verbs())
    root.Subcommands.Add(verb);
// Measurements end on Ctrl-C by themselves, and remove what they made.
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
