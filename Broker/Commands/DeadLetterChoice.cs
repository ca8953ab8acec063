using System.CommandLine;
using Broker.Relay;

namespace Broker.Commands;

/// <summary>The options that say which dead letters are meant.</summary>
internal sealed class DeadLetterChoice
{
    private readonly Option<string?> _side = new("--side") { Description = "Those that the relay could not publish, or that consumers could not handle.", HelpName = "relay|consumer" };
    private readonly Option<string?> _type = new("--type") { Description = "Those of a message type.", HelpName = "type" };
    private readonly Option<string?> _key = new("--key") { Description = "Those of a partition key.", HelpName = "key" };
    private readonly Option<string?> _consumer = new("--consumer") { Description = "Those that a consumer of this database could not handle.", HelpName = "name" };
    private readonly Option<string?> _since = new("--since") { Description = "Those that failed last at this time or later: 2026-01-31T00:00:00Z, or how long ago: 90m, 2h, 7d.", HelpName = "time" };
    private readonly Option<string?> _text = new("--text") { Description = "Those with this text in their reason, in any case.", HelpName = "text" };
    private readonly Option<bool> _all = new("--all") { Description = "All of the source, the relay's and its consumers'." };

    public DeadLetterChoice() => _side.AcceptOnlyFromAmong("relay", "consumer");

    public Option<FileInfo?> Config { get; } = CommonOptions.Config();

    public Option<string> Source { get; } = CommonOptions.Source();

    public Option<long?> Id { get; } = new("--id") { Description = "The one of this number.", HelpName = "number" };

    private IEnumerable<Option> Narrowing => [Id, _side, _type, _key, _consumer, _since, _text];

    /// <summary>Adds them; with <paramref name="mustChoose"/> at least one is wanted, or <c>--all</c>.</summary>
    public Command AddTo(Command command, bool mustChoose = false)
    {
        foreach (var option in (IEnumerable<Option>)[Config, Source, .. Narrowing])
            command.Add(option);
        if (!mustChoose)
            return command;
        command.Add(_all);
        command.Validators.Add(result =>
        {
            if (Narrowing.Any(o => result.GetResult(o) is not null) == (result.GetResult(_all) is not null))
                result.AddError("Say which dead letters: --id, --side, --type, --key, --consumer, --since and --text narrow the choice, or --all.");
        });
        return command;
    }

    /// <summary>Which ones are meant.</summary>
    public DeadLetterDesk.Filter FilterOf(ParseResult parsed) => new(
        parsed.GetValue(Id), parsed.GetValue(_type), parsed.GetValue(_key), parsed.GetValue(_consumer), parsed.GetValue(_side), Since: CommonOptions.TimeOf(_since, parsed.GetValue(_since), TimeProvider.System), Text: parsed.GetValue(_text));
}
