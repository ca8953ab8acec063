using System.CommandLine;
using Broker.Bench;

namespace Broker.Commands;

/// <summary><c>broker bench</c>: measures the product on real servers, each thing in a process of its own, beside what it is compared with.</summary>
internal static class BenchCommand
{
    public static Command Create()
    {
        var command = new Command("bench", "Measure the product on this machine. Makes a database, an exchange and a queue of its own and removes them.");
        foreach (var verb in Verbs())
            command.Subcommands.Add(verb);
        return command;
    }

    /// <summary>The measurements.</summary>
    public static IReadOnlyList<Command> Verbs() => [RelayBench.Create(), InboxBench.Create(), EndToEndBench.Create(), LatencyBench.Create(), CommitsBench.Create(), RetentionBench.Create(), SagaBench.Create(), IdleBench.Create(), TwoPhaseBench.Create(), LockBench.Create()];

    /// <summary>The hidden verb by which a measured process is started; both programs have it at their root.</summary>
    public static Command Child() => ChildCommand.Create();
}
