using System.CommandLine;
using System.Globalization;
using Broker.Relay;
using Outbox;
using Outbox.Sql;
using Spectre.Console;

namespace Broker.Commands;

/// <summary><c>broker dead-letters</c>: lists, redrives and discards what relays and consumers have set aside.</summary>
internal static class DeadLettersCommand
{
    private const int Shown = 100;
    private const int Wide = 4_000;

    private sealed record Options(Option<FileInfo?> Config, Option<string> Source, Option<long?> Id, Option<string?> Type, Option<string?> Key, Option<string?> Consumer, Option<bool> All)
    {
        public DeadLetterDesk.Filter Filter(ParseResult parsed) => new(parsed.GetValue(Id), parsed.GetValue(Type), parsed.GetValue(Key), parsed.GetValue(Consumer));
    }

    public static Command Create()
    {
        var options = new Options(
            CommonOptions.Config(),
            new Option<string>("--source", "-s") { Description = "The source, by its name in the configuration.", HelpName = "name", Required = true },
            new Option<long?>("--id") { Description = "The one of this number.", HelpName = "number" },
            new Option<string?>("--type") { Description = "Those of a message type.", HelpName = "type" },
            new Option<string?>("--key") { Description = "Those of a partition key.", HelpName = "key" },
            new Option<string?>("--consumer") { Description = "Those that a consumer of this database could not handle.", HelpName = "name" },
            new Option<bool>("--all") { Description = "All of the source, the relay's and its consumers'." });
        var why = new Option<string?>("--reason") { Description = "Why. It is kept in dead_letter_actions, with your name and the time.", HelpName = "text" };
        var body = new Option<FileInfo?>("--body") { Description = "With --id: a file with the body that the message is to have from now on. The one from before is kept.", HelpName = "file" };
        var reason = new Option<string>("--reason") { Description = "Why. It is kept with the dead letter, with your name and the time.", HelpName = "text", Required = true };

        var list = With(new Command("list", "Show the messages that could not be published or handled, with their reasons."), options, needsChoice: false);
        list.SetAction((parsed, cancellationToken) => RunAsync(parsed, options, (letters, source) => ListAsync(letters, source, options.Filter(parsed), cancellationToken)));

        var redrive = With(new Command("redrive", "Put messages back: the relay's into the outbox, a consumer's to that consumer alone, those of blocked keys to their old places."), options, needsChoice: true);
        redrive.Add(why);
        redrive.Add(body);
        redrive.Validators.Add(result =>
        {
            if (result.GetResult(body) is not null && result.GetResult(options.Id) is null)
                result.AddError("--body is for one dead letter: say which with --id.");
        });
        redrive.SetAction((parsed, cancellationToken) => RunAsync(parsed, options, async (letters, source) =>
        {
            var edited = parsed.GetValue(body) is { } file ? await ReadAsync(file, cancellationToken) : null;
            var count = edited is null
                ? await letters.RedriveAsync(options.Filter(parsed), parsed.GetValue(why), cancellationToken)
                : await letters.RedriveEditedAsync(parsed.GetValue(options.Id)!.Value, edited, parsed.GetValue(why), cancellationToken);
            return Report(count, source, "put back");
        }));

        var discard = With(new Command("discard", "Give messages up for good, and unblock their keys. They stay in dead_letters as 'discarded'."), options, needsChoice: true);
        discard.Add(reason);
        discard.SetAction((parsed, cancellationToken) => RunAsync(parsed, options, async (letters, source) =>
        {
            return Report(await letters.DiscardAsync(options.Filter(parsed), parsed.GetValue(reason)!, cancellationToken), source, "discarded");
        }));

        var history = new Command("history", "Show what was done with dead letters, by whom, when and why; the last first.") { options.Config, options.Source, options.Id };
        history.SetAction((parsed, cancellationToken) => RunAsync(parsed, options, (letters, source) => HistoryAsync(letters, source, parsed.GetValue(options.Id), cancellationToken)));
        return new Command("dead-letters", "List, redrive or discard the messages that could not be published or handled.") { list, redrive, discard, history };
    }

    private static Command With(Command command, Options options, bool needsChoice)
    {
        foreach (var option in (Option[])[options.Config, options.Source, options.Id, options.Type, options.Key, options.Consumer])
            command.Add(option);
        if (!needsChoice)
            return command;
        command.Add(options.All);
        command.Validators.Add(result =>
        {
            var chosen = result.GetResult(options.Id) is not null || result.GetResult(options.Type) is not null || result.GetResult(options.Key) is not null || result.GetResult(options.Consumer) is not null;
            if (chosen == (result.GetResult(options.All) is not null))
                result.AddError("Say which dead letters: --id, --type, --key and --consumer narrow the choice, or --all.");
        });
        return command;
    }

    private static Task<int> RunAsync(ParseResult parsed, Options options, Func<DeadLetterDesk, string, Task<int>> runAsync) => CommonOptions.GuardAsync(async () =>
    {
        var source = CommonOptions.SourceOf(BrokerConfiguration.Read(BrokerConfiguration.Load(parsed.GetValue(options.Config)), needsRabbitMq: false), parsed.GetValue(options.Source)!);
        await using var dataSource = DataSources.Create(source.Dialect, source.ConnectionString);
        await using (var connection = await dataSource.OpenConnectionAsync())
            await OutboxSchema.CheckAsync(connection, $"Source '{source.Name}'", $"'broker schema --source {source.Name} --create'", refusesNewer: true, CancellationToken.None);
        return await runAsync(new DeadLetterDesk(dataSource, source.Dialect, DeadLetterDesk.ThisUser), source.Name);
    });

    private static async Task<int> ListAsync(DeadLetterDesk letters, string source, DeadLetterDesk.Filter filter, CancellationToken cancellationToken)
    {
        var found = await letters.ListAsync(filter, 0, Shown + 1, cancellationToken);
        if (found.Count == 0)
        {
            Console.WriteLine($"Source '{source}': no dead letters.");
            return ExitCodes.Ok;
        }
        var table = new Table().Border(TableBorder.None).AddColumns("id", "since (UTC)", "attempts", "consumer", "type", "key", "blocks its key", "reason");
        foreach (var letter in found.Take(Shown))
        {
            table.AddRow(
                new Text(letter.Id.ToString(CultureInfo.InvariantCulture)), new Text(letter.FirstFailedAt.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)),
                new Text(letter.Attempts.ToString(CultureInfo.InvariantCulture)), new Text(letter.Consumer ?? "(relay)"), new Text(letter.Type), new Text(letter.Key ?? ""), new Text(letter.Blocks ? "yes" : "no"), new Text(letter.Reason));
        }
        Write(table);
        if (found.Count > Shown)
            Console.WriteLine($"These are the first {Shown}. Narrow the choice with --type, --key or --consumer.");
        return ExitCodes.Ok;
    }

    private static async Task<int> HistoryAsync(DeadLetterDesk letters, string source, long? id, CancellationToken cancellationToken)
    {
        var acts = await letters.HistoryAsync(id, Shown, cancellationToken);
        if (acts.Count == 0)
        {
            Console.WriteLine($"Source '{source}': nothing was done with dead letters.");
            return ExitCodes.Ok;
        }
        var table = new Table().Border(TableBorder.None).AddColumns("at (UTC)", "id", "consumer", "message", "what", "by", "reason");
        foreach (var act in acts)
        {
            table.AddRow(
                new Text(act.At.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)), new Text(act.Id.ToString(CultureInfo.InvariantCulture)), new Text(act.Consumer ?? "(relay)"),
                new Text(act.MessageId ?? ""), new Text(act.What), new Text(act.Actor), new Text(act.Reason ?? ""));
        }
        Write(table);
        return ExitCodes.Ok;
    }

    private static void Write(Table table)
    {
        // A program that reads the list wants whole lines.
        if (Console.IsOutputRedirected)
            AnsiConsole.Profile.Width = Wide;
        AnsiConsole.Write(table);
    }

    private static async Task<byte[]> ReadAsync(FileInfo file, CancellationToken cancellationToken)
    {
        try
        {
            return await File.ReadAllBytesAsync(file.FullName, cancellationToken);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new OutboxConfigurationException($"--body: '{file.FullName}' cannot be read: {exception.Message}", exception);
        }
    }

    private static int Report(int count, string source, string what)
    {
        if (count == 0)
            throw new OutboxConfigurationException($"Source '{source}': no dead letter is meant by that. List them with 'broker dead-letters list --source {source}'.");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Source '{source}': {count:N0} dead letter(s) {what}."));
        return ExitCodes.Ok;
    }
}
