using System.Data.Common;
using System.Globalization;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Outbox.Sql;

namespace Outbox.Testing;

/// <summary>Tells when nothing moves any more.</summary>
/// <remarks>
/// Everything that moves is at each moment in one of three places: a row of an outbox, a message in a queue that is not accepted, or a deferred message. It leaves a place only after it is in the next one:
/// a row goes after its message is in the queues, a delivery is accepted after its effects and the events of its handler are committed, a deferred message goes by the same commit.
/// So rest is: the queues are empty; then no deferred message; then no row; and no message has entered a queue since the first look. The order of the looks is the order of the way, against it nothing moves.
/// </remarks>
internal sealed class RestWatch(IReadOnlyList<OutboxRegistration> outboxes, HarnessTransport transport, IServiceProvider services)
{
    private const int Shown = 5;
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromMilliseconds(10);

    public async Task WaitAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (!await IsAtRestAsync(cancellationToken).ConfigureAwait(false))
        {
            ThrowIfStopped();
            if (TimeProvider.System.GetElapsedTime(start) > timeout)
            {
                var where = await DescribeAsync(cancellationToken).ConfigureAwait(false);
                throw new NotDrainedException(string.Create(CultureInfo.InvariantCulture, $"After {timeout.TotalSeconds:0.#} s messages are still on their way.\n{where}"));
            }
            await Task.Delay(BetweenLooks, cancellationToken).ConfigureAwait(false);
        }
        ThrowIfStopped();
    }

    private async Task<bool> IsAtRestAsync(CancellationToken cancellationToken)
    {
        var version = transport.Version;
        if (transport.Missing.Count > 0 || transport.Waiting.Count > 0)
            return false;
        foreach (var outbox in outboxes)
        {
            if (await CountAsync(outbox, d => d.CountMovingDeferred, cancellationToken).ConfigureAwait(false) > 0)
                return false;
        }
        foreach (var outbox in outboxes)
        {
            if (await CountAsync(outbox, d => d.CountMovingRows, cancellationToken).ConfigureAwait(false) > 0)
                return false;
        }
        return transport.Waiting.Count == 0 && transport.Version == version;
    }

    /// <summary>A consumer or a relay that has ended does nothing more, and nobody would know why.</summary>
    private void ThrowIfStopped()
    {
        var failed = services.GetServices<IHostedService>().OfType<BackgroundService>().FirstOrDefault(s => s.ExecuteTask is { IsFaulted: true });
        if (failed is not null)
            throw new NotDrainedException($"{failed.GetType().Name} has ended: {failed.ExecuteTask!.Exception!.InnerException!.Message}", failed.ExecuteTask.Exception.InnerException);
        if (services.GetService<IHostApplicationLifetime>()?.ApplicationStopping.IsCancellationRequested == true)
            throw new NotDrainedException("The host is stopping, so nothing moves any more.");
    }

    private async Task<long> CountAsync(OutboxRegistration outbox, Func<SqlDialect, string> sql, CancellationToken cancellationToken)
    {
        var connection = await outbox.DataSource(services).OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        return Convert.ToInt64(await connection.Command(sql(SqlDialect.Of(connection))).ScalarAsync(cancellationToken).ConfigureAwait(false), CultureInfo.InvariantCulture);
    }

    private async Task<string> DescribeAsync(CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        foreach (var queue in transport.Missing)
            text.Append(CultureInfo.InvariantCulture, $"Queue '{queue}': its consumer has not begun; its log says why.\n");
        foreach (var (queue, messages) in transport.Waiting)
            text.Append(CultureInfo.InvariantCulture, $"Queue '{queue}': {messages} not accepted.\n");
        foreach (var outbox in outboxes)
        {
            var connection = await outbox.DataSource(services).OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
            await using var _ = connection.ConfigureAwait(false);
            var dialect = SqlDialect.Of(connection);
            await ListAsync(text, $"Outbox '{outbox.Source}', rows", connection, dialect.ListWaitingRows, r => $"{r[0]}{Key(r[1])}", cancellationToken).ConfigureAwait(false);
            await ListAsync(text, $"Outbox '{outbox.Source}', deferred", connection, dialect.ListWaitingDeferred, r => $"{r[1]}{Key(r[2])} of consumer '{r[0]}', {r[3]}, {r[4]} attempts: {r[5] ?? "waits for its key"}", cancellationToken).ConfigureAwait(false);
        }
        return text.Length > 0 ? text.ToString() : "All of them have come to rest since.";
    }

    private static string Key(string? key) => key is null ? "" : $" of key '{key}'";

    private static async Task ListAsync(StringBuilder text, string what, DbConnection connection, string sql, Func<IReadOnlyList<string?>, string> tell, CancellationToken cancellationToken)
    {
        var command = connection.Command(sql);
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        var (lines, count) = (new List<string>(), 0);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            if (++count <= Shown)
                lines.Add(tell([.. Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? null : Convert.ToString(reader.GetValue(i), CultureInfo.InvariantCulture))]));
        }
        if (count > 0)
            text.Append(CultureInfo.InvariantCulture, $"{what}: {count}\n").AppendJoin("", lines.Select(l => $"  {l}\n")).Append(count > Shown ? "  …\n" : "");
    }
}
