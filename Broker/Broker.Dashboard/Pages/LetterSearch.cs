using System.Globalization;
using Broker.Relay;
using Microsoft.AspNetCore.Http;

namespace Broker.Dashboard.Pages;

/// <summary>What the page of dead letters shows, as its address says it. Whatever a stranger writes into the address is a filter that finds nothing, at worst.</summary>
/// <param name="Source">The source.</param>
/// <param name="Filter">Which letters.</param>
/// <param name="Order">In which order, one of <see cref="Orders"/>.</param>
/// <param name="From">The letter that the page begins behind, or ends in front of.</param>
/// <param name="Before">Whether it ends in front of it.</param>
internal sealed record LetterSearch(string? Source, DeadLetterDesk.Filter Filter, string Order, DeadLetterDesk.Place? From, bool Before)
{
    /// <summary>Letters on a page.</summary>
    public const int PageSize = 50;

    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm";

    /// <summary>The orders that there are.</summary>
    public static readonly (string Value, string Text)[] Orders = [("", "set aside last first"), ("oldest", "set aside first first"), ("failed-last", "failed last first"), ("failed-first", "failed longest ago first")];

    /// <summary>The states that can be asked for.</summary>
    public static readonly (string Value, string Text)[] States = [("", "waiting for an operator"), ("blocking", "blocking their key"), ("dead", "blocking nothing"), ("discarded", "discarded")];

    /// <summary>The sides that can be asked for.</summary>
    public static readonly (string Value, string Text)[] Sides = [("", "both"), ("relay", "relay: not published"), ("consumer", "consumer: not handled")];

    /// <summary>Whether anything narrows the choice beyond what waits for an operator.</summary>
    public bool IsNarrowed => Filter != new DeadLetterDesk.Filter();

    /// <summary>One page more than it shows, to know whether there is another one.</summary>
    public DeadLetterDesk.Page Page => new(PageSize + 1, Order is "" or "failed-last", Order is "failed-last" or "failed-first", From, Before);

    /// <summary>Reads it from an address, or from a form that repeats one.</summary>
    public static LetterSearch Of(Func<string, string?> value)
    {
        string? Text(string name) => value(name) is { } text && text.Trim() is { Length: > 0 } trimmed ? trimmed : null;
        string? One(string name, (string Value, string Text)[] choices) => choices.Any(c => c.Value == value(name)) && value(name) is { Length: > 0 } chosen ? chosen : null;
        var since = DateTime.TryParse(value("since"), CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal, out var at) ? at : (DateTime?)null;
        var filter = new DeadLetterDesk.Filter(
            Type: Text("type"), Key: Text("key"), Consumer: Text("consumer"), Side: One("side", Sides), State: One("state", States), Since: since, Text: Text("text"));
        return new LetterSearch(value("source"), filter, One("order", Orders) ?? "", PlaceOf(value("from")), value("before") == "1");
    }

    /// <summary>Of a request's query string.</summary>
    public static LetterSearch Of(BrokerRequest request) => Of(request.Query);

    /// <summary>Of a form.</summary>
    public static LetterSearch Of(IFormCollection form) => Of(name => form[name] is [{ Length: > 0 } text, ..] ? text : null);

    /// <summary>The address, without the place.</summary>
    public (string Name, string? Value)[] Values =>
    [
        ("source", Source), ("side", Filter.Side), ("consumer", Filter.Consumer), ("type", Filter.Type), ("key", Filter.Key), ("state", Filter.State), ("text", Filter.Text),
        ("since", Filter.Since?.ToString(TimeFormat, CultureInfo.InvariantCulture)), ("order", Order),
    ];

    /// <summary>The address of this list, or of the page behind or in front of a letter.</summary>
    public string PathOf(DeadLetterDesk.Letter? from = null, bool before = false) =>
        $"{BrokerRoutes.Prefix}/dead-letters{Parts.Query([.. Values, ("from", from is null ? null : string.Create(CultureInfo.InvariantCulture, $"{from.Id}.{from.LastFailedAt.Ticks}")), ("before", before ? "1" : null)])}";

    private static DeadLetterDesk.Place? PlaceOf(string? text) =>
        text?.Split('.') is [var id, var ticks] && long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && long.TryParse(ticks, NumberStyles.None, CultureInfo.InvariantCulture, out var at) && at <= DateTime.MaxValue.Ticks
            ? new DeadLetterDesk.Place(number, new DateTime(at, DateTimeKind.Utc)) : null;
}
