using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Outbox.RabbitMQ;

/// <summary>Adds RabbitMQ to an outbox.</summary>
public static class OutboxBuilderExtensions
{
    /// <summary>Publishes to and consumes from RabbitMQ 3.10 or later.</summary>
    /// <param name="builder">The outbox.</param>
    /// <param name="uri">Where the broker is: <c>amqp://user:password@host:5672/vhost</c>.</param>
    /// <param name="configure">Further settings.</param>
    /// <exception cref="OutboxConfigurationException">The URI or a setting is not valid.</exception>
    public static OutboxBuilder UseRabbitMq(this OutboxBuilder builder, string uri, Action<RabbitMqOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var options = new RabbitMqOptions { Uri = RabbitMqOptions.ParseUri(uri) };
        configure?.Invoke(options);
        options.Validate();
        return builder.UseTransport(services => new RabbitMqTransport(options, services.GetRequiredService<ILoggerFactory>(), services.GetService<TimeProvider>() ?? TimeProvider.System));
    }
}
