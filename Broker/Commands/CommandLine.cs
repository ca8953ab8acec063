using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Broker.Commands;

/// <summary>The commands, and how the program answers when it is called wrongly or asked for help.</summary>
internal static class CommandLine
{
    private static readonly TimeSpan TimeToEnd = TimeSpan.FromSeconds(10);

    /// <summary>All commands.</summary>
    public static RootCommand Create()
    {
        var root = new RootCommand("Relays committed outbox events of many services' databases to RabbitMQ, and shows and mends what does not flow.")
        {
            RunCommand.Create(),
            StatusCommand.Create(),
            MessageCommand.Create(),
            DeadLettersCommand.Create(),
            DeferredCommand.Create(),
            InDoubtCommand.Create(),
            SagasCommand.Create(),
            LocksCommand.Create(),
            SchemaCommand.Create(),
            ReplayCommand.Create(),
            HealthCommand.Create(),
            DashboardCommand.Create(),
            BenchCommand.Create(),
            BenchCommand.Child(),
        };
        ShowExamples(root);
        return root;
    }

    /// <summary>Runs one command, and returns the exit code of the process.</summary>
    public static async Task<int> RunAsync(string[] arguments)
    {
        var parsed = Create().Parse(arguments);
        if (parsed.Action is ParseErrorAction)
        {
            var wrong = parsed.UnmatchedTokens is [var unknown, ..] ? $"'{unknown}' is no command or option here" : parsed.Errors[0].Message.TrimEnd('.');
            await Console.Error.WriteLineAsync($"broker: {wrong}. See '{string.Join(' ', "broker", PathOf(parsed.CommandResult.Command)).TrimEnd()} --help'.");
            return ExitCodes.Misconfigured;
        }
        // The host and measurements end on SIGTERM and Ctrl-C by themselves, after what is on its way has been settled or removed; the others are told, and end between two transactions.
        var path = PathOf(parsed.CommandResult.Command).Split(' ')[0];
        return await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = path is "run" or "bench" || parsed.CommandResult.Command.Hidden ? null : TimeToEnd });
    }

    /// <summary>A command as it is typed after the program's name.</summary>
    public static string PathOf(Command command)
    {
        var names = new List<string>();
        for (var c = command; c is not RootCommand; c = c.Parents.OfType<Command>().First())
            names.Insert(0, c.Name);
        return string.Join(' ', names);
    }

    private static void ShowExamples(RootCommand root)
    {
        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExamples((HelpAction)help.Action!);
    }

    private sealed class HelpWithExamples(HelpAction inner) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            var output = parseResult.InvocationConfiguration.Output;
            // It names the file that the program was started from.
            using var text = new StringWriter();
            parseResult.InvocationConfiguration.Output = text;
            var code = inner.Invoke(parseResult);
            parseResult.InvocationConfiguration.Output = output;
            output.Write(text.ToString().Replace($"  {RootCommand.ExecutableName}", "  broker", StringComparison.Ordinal));
            if (Examples.Of(PathOf(parseResult.CommandResult.Command)) is { Count: > 0 } examples)
                output.WriteLine($"Examples:\n{string.Join('\n', examples.Select(e => $"  {e}"))}\n");
            output.WriteLine($"Exit codes:\n{string.Join('\n', ExitCodes.All.Select(e => $"  {e.Code}  {e.Meaning}"))}\n");
            return code;
        }
    }
}
