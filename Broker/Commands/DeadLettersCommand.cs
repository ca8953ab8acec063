using System.CommandLine;
using System.Globalization;
using Broker.Relay;
using Outbox;

namespace Broker.Commands;

/// <summary><c>broker dead-letters</c>: lists, shows, redrives and discards what relays and consumers have set aside.</summary>
internal static class DeadLettersCommand
{
    public static Command Create() => new("dead-letters", "List, show, redrive or discard the messages that could not be published or handled.") { List(), Show(), Redrive(), Discard(), History() };

    private static Command List()
    {
        var choice = new DeadLetterChoice();
        var state = new Option<string?>("--state") { Description = "Those of one state: blocking, the later messages of its key wait for it; dead; discarded. Without it: those that wait for an operator.", HelpName = "blocking|dead|discarded" };
        state.AcceptOnlyFromAmong("blocking", "dead", "discarded");
        var sort = new Option<string>("--sort") { Description = "By their numbers, or by their last failure.", HelpName = "id|failure", DefaultValueFactory = _ => "id" };
        sort.AcceptOnlyFromAmong("id", "failure");
        var descending = new Option<bool>("--descending") { Description = "The latest first." };
        var (limit, after, json) = (CommonOptions.Limit(), CommonOptions.After(), CommonOptions.Json());
        var list = choice.AddTo(new Command("list", "Show the messages that could not be published or handled, with their reasons."));
        foreach (var option in (Option[])[state, sort, descending, limit, after, json])
            list.Add(option);
        list.SetAction((parsed, cancellationToken) => RunAsync(parsed, choice, async (desk, source) =>
        {
            var most = parsed.GetValue(limit);
            var page = new DeadLetterDesk.Page(most + 1, parsed.GetValue(descending), parsed.GetValue(sort) == "failure");
            if (parsed.GetValue(after) is { } id)
                page = page with { From = await PlaceAsync(desk, id, page.ByFailure, cancellationToken) };
            var found = await desk.ListAsync(choice.FilterOf(parsed) with { State = parsed.GetValue(state) }, page, cancellationToken);
            DeadLetterOutput.WriteList(source, [.. found.Take(most)], found.Count > most, parsed.GetValue(json));
            return ExitCodes.Ok;
        }));
        return list;
    }

    private static Command Show()
    {
        var choice = new DeadLetterChoice();
        var id = new Argument<long>("id") { Description = "The number of the dead letter." };
        var full = new Option<bool>("--full") { Description = $"All of its body, not only the first {DeadLetterOutput.ShownBody:N0} bytes." };
        var json = CommonOptions.Json();
        var show = new Command("show", "Show one dead letter: headers, body, error, and what was done with it.") { id, choice.Config, choice.Source, full, json };
        show.SetAction((parsed, cancellationToken) => RunAsync(parsed, choice, async (desk, source) =>
        {
            var number = parsed.GetValue(id);
            var detail = await desk.ReadAsync(number, parsed.GetValue(full) ? 1_000_000_000 : DeadLetterOutput.ShownBody, cancellationToken)
                ?? throw new OutboxConfigurationException(string.Create(CultureInfo.InvariantCulture, $"Source '{source}' has no dead letter {number}. It may have been redriven: see 'broker dead-letters history --source {source} --id {number}'."));
            DeadLetterOutput.WriteDetail(source, detail, parsed.GetValue(json));
            return ExitCodes.Ok;
        }));
        return show;
    }

    private static Command Redrive()
    {
        var choice = new DeadLetterChoice();
        var body = new Option<FileInfo?>("--body") { Description = "With --id: a file with the body that the message is to have from now on. The one from before is kept.", HelpName = "file" };
        var why = new Option<string?>("--reason") { Description = "Why. It is kept in dead_letter_actions, with your name and the time.", HelpName = "text" };
        var work = new BulkOptions();
        var redrive = work.AddTo(choice.AddTo(new Command("redrive", "Put messages back: the relay's into the outbox, a consumer's to that consumer alone, those of blocked keys to their old places."), mustChoose: true));
        redrive.Add(why);
        redrive.Add(body);
        redrive.Validators.Add(result =>
        {
            if (result.GetResult(body) is not null && result.GetResult(choice.Id) is null)
                result.AddError("--body is for one dead letter: say which with --id.");
        });
        redrive.SetAction((parsed, cancellationToken) => RunAsync(parsed, choice, async (desk, source) =>
        {
            var edited = parsed.GetValue(body) is { } file ? await ReadAsync(file, cancellationToken) : null;
            return await work.RunAsync(parsed, desk, source, choice.FilterOf(parsed), "redrive", "put back", worker => edited is null
                ? worker.RedriveAsync(choice.FilterOf(parsed), parsed.GetValue(why), cancellationToken)
                : worker.RedriveEditedAsync(parsed.GetValue(choice.Id)!.Value, edited, parsed.GetValue(why), cancellationToken), cancellationToken);
        }));
        return redrive;
    }

    private static Command Discard()
    {
        var choice = new DeadLetterChoice();
        var reason = new Option<string>("--reason") { Description = "Why. It is kept with the dead letter, with your name and the time.", HelpName = "text", Required = true };
        var work = new BulkOptions();
        var discard = work.AddTo(choice.AddTo(new Command("discard", "Give messages up for good, and unblock their keys. They stay in dead_letters as 'discarded'."), mustChoose: true));
        discard.Add(reason);
        discard.SetAction((parsed, cancellationToken) => RunAsync(parsed, choice, (desk, source) =>
            work.RunAsync(parsed, desk, source, choice.FilterOf(parsed), "discard", "discarded", worker => worker.DiscardAsync(choice.FilterOf(parsed), parsed.GetValue(reason)!, cancellationToken), cancellationToken)));
        return discard;
    }

    private static Command History()
    {
        var choice = new DeadLetterChoice();
        var (limit, json) = (CommonOptions.Limit(), CommonOptions.Json());
        var history = new Command("history", "Show what was done with dead letters, by whom, when and why; the last first.") { choice.Config, choice.Source, choice.Id, limit, json };
        history.SetAction((parsed, cancellationToken) => RunAsync(parsed, choice, async (desk, source) =>
        {
            DeadLetterOutput.WriteHistory(source, await desk.HistoryAsync(parsed.GetValue(choice.Id), parsed.GetValue(limit), cancellationToken), parsed.GetValue(json));
            return ExitCodes.Ok;
        }));
        return history;
    }

    private static Task<int> RunAsync(ParseResult parsed, DeadLetterChoice choice, Func<DeadLetterDesk, string, Task<int>> runAsync) => CommonOptions.WithSourceAsync(
        parsed.GetValue(choice.Config), parsed.GetValue(choice.Source)!, (source, dataSource) => runAsync(new DeadLetterDesk(dataSource, source.Dialect, DeadLetterDesk.ThisUser), source.Name));

    /// <summary>Where a page begins: behind that letter, in the order of the list.</summary>
    private static async Task<DeadLetterDesk.Place> PlaceAsync(DeadLetterDesk desk, long id, bool byFailure, CancellationToken cancellationToken)
    {
        if (!byFailure)
            return new DeadLetterDesk.Place(id, default);
        return await desk.ReadAsync(id, 0, cancellationToken) is { } detail
            ? DeadLetterDesk.Place.Of(detail.Letter)
            : throw new OutboxConfigurationException($"--after {id.ToString(CultureInfo.InvariantCulture)}: that dead letter is gone, so its place in the order of failures is not known. Begin again without --after, or use --sort id.");
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
}
