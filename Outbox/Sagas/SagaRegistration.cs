using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Outbox.Sagas;

/// <summary>Makes a saga a consumer of its outbox.</summary>
internal static class SagaRegistration
{
    private const int Concurrency = 4;

    public static void Add<TSaga>(OutboxBuilder builder, string name, Action<SagaOptions>? configure)
        where TSaga : AnySaga, new()
    {
        var outbox = builder.Registration;
        var definition = new TSaga().Define(name, outbox.Options.MessageTypes);
        builder.AddConsumer(name, consumer =>
        {
            consumer.InAnyOrder(Concurrency);
            var options = new SagaOptions(consumer.Options);
            configure?.Invoke(options);
            options.Validate(name);
            builder.Services.AddKeyedSingleton(name, (provider, _) => new SagaEngine(definition, options, outbox, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<SagaEngine>>()));
            builder.Services.AddSingleton<IHostedService>(provider => new SagaRetention(name, outbox, provider.GetRequiredKeyedService<SagaEngine>(name), provider, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<SagaRetention>>()));
            outbox.Options.MessageTypes.Add(typeof(SagaMessage<TSaga>), SagaMessage.TypeFor(name));
            consumer.Handle(typeof(SagaMessage<TSaga>), (services, message, context, cancellationToken) =>
                services.GetRequiredKeyedService<SagaEngine>(name).HandleAsync(services, (SagaMessage)message, context, cancellationToken));
            foreach (var role in definition.Messages.Values)
            {
                consumer.Handle(role.Message, (services, message, context, cancellationToken) =>
                    services.GetRequiredKeyedService<SagaEngine>(name).HandleAsync(services, role, message, context, cancellationToken));
            }
        });
    }
}
