using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;

namespace Outbox;

/// <summary>Gives the contexts of an outbox, those that derive from its class included, the interceptor that wakes its relay.</summary>
internal sealed class OutboxContextConfiguration<TContext>(IEnumerable<OutboxRegistration> registrations) : IDbContextOptionsConfiguration<TContext>
    where TContext : DbContext
{
    public void Configure(IServiceProvider serviceProvider, DbContextOptionsBuilder optionsBuilder)
    {
        if (OutboxRegistration.Of(typeof(TContext), registrations) is { } registration)
            optionsBuilder.AddInterceptors(registration.Interceptor);
    }
}
