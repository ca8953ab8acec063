using System.CommandLine;
using System.Globalization;
using Broker.Relay;
using Outbox;
using Spectre.Console;

namespace Broker.Commands;

/// <summary>How work on many dead letters is done: counted, asked about, done with a bar.</summary>
internal sealed class BulkOptions
{
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Only say how many there are, and show the first of them." };
    private readonly Option<bool> _yes = new("--yes", "-y") { Description = "Do not ask. Without a terminal nobody is asked." };

    public Command AddTo(Command command)
    {
        command.Add(_dryRun);
        command.Add(_yes);
        return command;
    }

    /// <summary>Does it.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="desk">The letters.</param>
    /// <param name="source">Their source.</param>
    /// <param name="filter">Which ones.</param>
    /// <param name="verb">What is about to be done.</param>
    /// <param name="done">What was done then.</param>
    /// <param name="workAsync">Does it, and returns how many there were.</param>
    /// <param name="cancellationToken">Ends it between two transactions.</param>
    public async Task<int> RunAsync(ParseResult parsed, DeadLetterDesk desk, string source, DeadLetterDesk.Filter filter, string verb, string done, Func<DeadLetterDesk, Task<int>> workAsync, CancellationToken cancellationToken)
    {
        var count = await desk.CountAsync(filter, cancellationToken);
        if (count == 0)
            throw new OutboxConfigurationException($"Source '{source}': no dead letter is meant by that. List them with 'broker dead-letters list --source {source}'.");
        if (parsed.GetValue(_dryRun))
        {
            DeadLetterOutput.WriteList(source, await desk.ListAsync(filter, 0, 10, cancellationToken), isMore: false, asJson: false);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Source '{source}': {count:N0} dead letter(s) are meant; nothing was done. Leave --dry-run out to {verb} them."));
            return ExitCodes.Ok;
        }
        if (!parsed.GetValue(_yes) && Output.CanAsk && !await AnsiConsole.ConfirmAsync(Markup.Escape(string.Create(CultureInfo.InvariantCulture, $"{verb} {count:N0} dead letter(s) of source '{source}'?")), defaultValue: false, cancellationToken))
        {
            Console.WriteLine("Nothing was done.");
            return ExitCodes.Failed;
        }
        var changed = 0L;
        try
        {
            await Output.WithProgressAsync($"{verb}: {source}", count, advance => workAsync(desk.Telling(more => advance(changed += more))));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"broker: stopped after {changed:N0} of {count:N0} dead letters; the same command goes on with the rest."));
            return ExitCodes.Failed;
        }
        if (changed == 0)
            throw new OutboxConfigurationException($"Source '{source}': {count.ToString(CultureInfo.InvariantCulture)} dead letter(s) are meant, and none could be {done}: a message without an id can only be discarded, and somebody else may have been faster.");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Source '{source}': {changed:N0} dead letter(s) {done}."));
        return ExitCodes.Ok;
    }
}
