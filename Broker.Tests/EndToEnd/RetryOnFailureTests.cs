using System.Data.Common;
using Broker.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Outbox;
using Outbox.Sql;

namespace Broker.Tests.EndToEnd;

/// <summary>Contexts with an execution strategy, which does their work again when the connection breaks.</summary>
internal sealed class RetryOnFailureTests
{
    private readonly BreakOnce _break = new();
    private TestDatabase _database = null!;
    private TestHost _host = null!;

    [SetUp]
    public async Task Prepare()
    {
        _database = await TestDatabase.CreateAsync(SqlDialect.PostgreSql, withTables: false);
        await using (await OrdersContext.CreateAsync(_database, createTables: true))
        {
            _host = TestHost.Build(services => services
                .AddDbContext<OrdersContext>(options => options
                    .UseNpgsql((NpgsqlDataSource)_database.DataSource, npgsql => npgsql.EnableRetryOnFailure(3, TimeSpan.FromMilliseconds(10), null)).AddInterceptors(_break))
                .AddOutbox<OrdersContext>(_ => { }));
        }
    }

    [TearDown]
    public async Task Close()
    {
        if (_host is not null)
            await _host.DisposeAsync();
        if (_database is not null)
            await _database.DisposeAsync();
    }

    [Test]
    public async Task A_SaveChanges_that_is_tried_again_writes_its_event_once()
    {
        await using var scope = _host.Services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();
        context.Orders.Add(new Order { Number = "1" });
        context.Outbox().Add(new OrderPlaced("1"));

        _break.Next = "orders";
        await context.SaveChangesAsync();

        Assert.That(_break.Next, Is.Null, "the first try failed");
        Assert.That((await _database.CountAsync("orders"), await _database.CountAsync("outbox_messages")), Is.EqualTo((1, 1)));
    }

    [Test]
    public async Task A_transaction_that_is_tried_again_after_its_SaveChanges_writes_its_event_once()
    {
        await using var scope = _host.Services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrdersContext>();
        var tries = 0;

        await context.Database.CreateExecutionStrategy().ExecuteAsync(async () =>
        {
            await using var transaction = await context.Database.BeginTransactionAsync();
            context.Outbox().Add(new OrderPlaced("1"));
            await context.SaveChangesAsync();
            if (++tries == 1)
                throw BreakOnce.Broken();
            await transaction.CommitAsync();
        });

        Assert.That((tries, await _database.CountAsync("outbox_messages")), Is.EqualTo((2, 1L)));
    }

    /// <summary>Breaks the connection once, before a command that mentions a word.</summary>
    private sealed class BreakOnce : DbCommandInterceptor
    {
        public string? Next { get; set; }

        public static NpgsqlException Broken() => new("The connection broke.", new IOException("Broken pipe"));

        public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default)
        {
            if (Next is not { } word || !command.CommandText.Contains(word, StringComparison.Ordinal))
                return ValueTask.FromResult(result);
            Next = null;
            throw Broken();
        }
    }
}
