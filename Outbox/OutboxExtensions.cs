using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.DependencyInjection;

namespace Outbox;

/// <summary>The outbox of a <see cref="DbContext"/>.</summary>
public static class OutboxExtensions
{
    /// <summary>The outbox that is saved together with this context: <c>db.Outbox().Add(new OrderPlaced(…), partitionKey: order.Id)</c>.</summary>
    /// <exception cref="OutboxConfigurationException">The context's model has no outbox tables.</exception>
    public static DbContextOutbox Outbox(this DbContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (context.Model.FindEntityType(typeof(OutboxMessage)) is null)
            throw new OutboxConfigurationException($"{context.GetType().Name} has no outbox tables. Call model.UseOutbox() in its OnModelCreating and add a migration.");
        return new DbContextOutbox(context, RegistrationOf(context));
    }

    private static OutboxRegistration? RegistrationOf(DbContext context)
    {
        var services = context.GetService<IDbContextOptions>().FindExtension<CoreOptionsExtension>()?.ApplicationServiceProvider;
        return OutboxRegistration.Of(context.GetType(), services?.GetService<IEnumerable<OutboxRegistration>>() ?? []);
    }
}
