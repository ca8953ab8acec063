using System.CommandLine;
using System.Data.Common;
using System.Globalization;
using Broker.Relay;
using Microsoft.Extensions.Logging.Abstractions;
using Outbox;
using Outbox.RabbitMQ;
using Outbox.Sql;
using Outbox.Transport;

namespace Broker.Commands;

/// <summary><c>broker replay</c>: publishes archived history to one queue, for a consumer that is new or has lost its data.</summary>
internal static class ReplayCommand
{
    private sealed record Request(SourceSettings Source, ArchiveReplay.Range Range, string Queue);

    public static Command Create()
    {
        var config = CommonOptions.Config();
        var source = CommonOptions.Source();
        var from = new Option<string>("--from") { Description = "Published at this time or later: 2026-01-31T00:00:00Z, or how long ago: 90m, 2h, 7d. Without a zone it is UTC.", HelpName = "time", Required = true };
        var to = new Option<string>("--to") { Description = "Published before this time.", HelpName = "time", Required = true };
        var queue = new Option<string>("--to-queue") { Description = "The queue of the one consumer that is to get the messages. It must exist.", HelpName = "queue", Required = true };
        var type = new Option<string?>("--type") { Description = "Only messages of this type.", HelpName = "type" };
        var key = new Option<string?>("--key") { Description = "Only messages of this partition key.", HelpName = "key" };
        var after = new Option<long>("--after-sequence") { Description = "Go on where an earlier replay ended.", HelpName = "number" };
        var command = new Command("replay", "Publish archived messages to one queue again, with their ids, in their order. Inboxes that know them change nothing.") { config, source, from, to, queue, type, key, after };
        command.SetAction((parsed, cancellationToken) => CommonOptions.GuardAsync(async () =>
        {
            var settings = BrokerConfiguration.Read(BrokerConfiguration.Load(parsed.GetValue(config)));
            var range = new ArchiveReplay.Range(CommonOptions.TimeOf(from, parsed.GetValue(from), TimeProvider.System)!.Value, CommonOptions.TimeOf(to, parsed.GetValue(to), TimeProvider.System)!.Value, parsed.GetValue(type), parsed.GetValue(key), parsed.GetValue(after));
            if (range.From >= range.To)
                throw new OutboxConfigurationException($"--from ({range.From:u}) is not before --to ({range.To:u}), so nothing lies between them.");
            var request = new Request(CommonOptions.SourceOf(settings, parsed.GetValue(source)!), range, parsed.GetValue(queue)!);
            await using var transport = new RabbitMqTransport(settings.RabbitMq!, NullLoggerFactory.Instance, TimeProvider.System);
            return await RunAsync(request, transport, cancellationToken);
        }));
        return command;
    }

    private static async Task<int> RunAsync(Request request, ITransport transport, CancellationToken cancellationToken)
    {
        var (source, range, queue) = request;
        await using var dataSource = DataSources.Create(source.Dialect, source.ConnectionString);
        await using (var connection = await dataSource.OpenConnectionAsync(cancellationToken))
            await OutboxSchema.CheckAsync(connection, $"Source '{source.Name}'", $"'broker schema --source {source.Name} --create'", refusesNewer: true, cancellationToken);
        var replay = new ArchiveReplay(dataSource, source.Dialect, source.Name, transport, TimeProvider.System);
        var (count, last) = await replay.MeasureAsync(range, cancellationToken);
        if (count == 0)
            throw new OutboxConfigurationException($"Source '{source.Name}': the archive holds no such message published from {range.From:u} to {range.To:u}. Rows are archived only while Relay:Archive is on, and kept for Relay:ArchiveRetention.");
        await CheckQueueAsync(transport, queue, cancellationToken);

        var began = TimeProvider.System.GetTimestamp();
        string? failure = null;
        try
        {
            await Output.WithProgressAsync($"{source.Name} → {queue}", count, advance => replay.RunAsync(range, last, queue, advance, cancellationToken));
        }
        catch (Exception exception) when (exception is OutboxConfigurationException or TransportException or DbException or OperationCanceledException)
        {
            failure = exception switch
            {
                OperationCanceledException => "stopped",
                DbException => $"the database failed: {SqlErrors.TextOf(exception)}",
                _ => exception.Message,
            };
        }
        var seconds = Math.Max(TimeProvider.System.GetElapsedTime(began).TotalSeconds, 0.001);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{replay.Published:N0} of {count:N0} messages published to queue '{queue}' in {seconds:0.0} s ({replay.Published / seconds:N0}/s); last sequence {replay.LastSequence}."));
        if (failure is null)
            return ExitCodes.Ok;
        await Console.Error.WriteLineAsync($"broker: {failure.TrimEnd('.')}. Go on with the same command and --after-sequence {replay.LastSequence.ToString(CultureInfo.InvariantCulture)}; what is sent twice has the same id.");
        return ExitCodes.Failed;
    }

    private static async Task CheckQueueAsync(ITransport transport, string queue, CancellationToken cancellationToken)
    {
        try
        {
            await using var channel = await transport.OpenPublishChannelAsync(new PublishChannelOptions { Queue = queue }, cancellationToken);
        }
        catch (TransportException exception)
        {
            throw new OutboxConfigurationException(exception.IsTransient ? exception.Message : $"{exception.Message} Start its consumer once, which declares it, or check --to-queue.", exception);
        }
    }
}
