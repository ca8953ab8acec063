using RabbitMQ.Client;

namespace Broker.Benchmarks;

/// <summary>The fastest safe way to publish that is known: persistent, mandatory, confirms in a window of 1,024, one channel. The measure for the relay; shares no code with it.</summary>
internal static class RawPublisher
{
    private const int Window = 1_024;

    public static async Task<TimeSpan> RunAsync(Uri uri, string exchange, string type, byte[] body, int count)
    {
        await using var connection = await new ConnectionFactory { Uri = uri, AutomaticRecoveryEnabled = false }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: false));
        using var window = new SemaphoreSlim(Window);
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        ulong confirmed = 0;
        var bad = 0;
        channel.BasicAcksAsync += (_, ack) =>
        {
            var places = ack.Multiple ? (int)(ack.DeliveryTag - confirmed) : 1;
            confirmed += (ulong)places;
            window.Release(places);
            if (confirmed == (ulong)count)
                done.TrySetResult();
            return Task.CompletedTask;
        };
        channel.BasicNacksAsync += (_, _) => Fail("nack");
        channel.BasicReturnAsync += (_, _) => Fail("return");
        channel.ChannelShutdownAsync += (_, shutdown) => bad == 0 && done.Task.IsCompleted ? Task.CompletedTask : Fail(shutdown.ReplyText);
        Task Fail(string what)
        {
            bad++;
            done.TrySetException(new InvalidOperationException($"The raw publisher met a {what}."));
            return Task.CompletedTask;
        }

        var properties = new BasicProperties { DeliveryMode = DeliveryModes.Persistent, Type = type, ContentType = "application/json" };
        var start = TimeProvider.System.GetTimestamp();
        for (var i = 0; i < count; i++)
        {
            if (!window.Wait(0))
                await window.WaitAsync();
            properties.MessageId = Guid.CreateVersion7().ToString();
            await channel.BasicPublishAsync(exchange, type, mandatory: true, properties, body);
        }
        await done.Task;
        return TimeProvider.System.GetElapsedTime(start);
    }
}
