using System.CommandLine;
using System.Globalization;
using Broker;
using Broker.Commands;

// What it writes is for people and for programs everywhere alike, whatever the language of the machine.
CultureInfo.DefaultThreadCurrentCulture = CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.InvariantCulture;
SharedBuffers.KeepMore();

var root = new RootCommand("Relays committed outbox events of many services' databases to RabbitMQ.")
{
    RunCommand.Create(),
    StatusCommand.Create(),
    SchemaCommand.Create(),
    BenchCommand.Create(),
    BenchCommand.Child(),
    DeadLettersCommand.Create(),
    ReplayCommand.Create(),
    DashboardCommand.Create(),
};
// The host itself ends on SIGTERM and Ctrl-C, after what is on its way has been settled.
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });

// ASP.NET Core would make it public, for tests that the worker has no need of.
internal static partial class Program;
