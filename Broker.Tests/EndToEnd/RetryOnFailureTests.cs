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
[TestFixtureSource(nameof(Engines))]
internal sealed class RetryOnFailureTests(SqlDialect engine)
{
    private readonly BreakOnce _break = new(engine);
    private TestDatabase _database = null!;
    private TestHost _host = null!;

    [SetUp]
    public async Task Prepare()
    {
        _break.Next = null;
        _database = await TestDatabase.CreateAsync(engine, withTables: false);
        await using (await OrdersContext.CreateAsync(_database, createTables: true))
        {
            _host = TestHost.Build(services => services
                .AddDbContext<OrdersContext>(options => Retrying(options).AddInterceptors(_break))
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
                throw _break.Broken();
            await transaction.CommitAsync();
        });

        Assert.That((tries, await _database.CountAsync("outbox_messages")), Is.EqualTo((2, 1L)));
    }

    private static IEnumerable<SqlDialect> Engines => [SqlDialect.PostgreSql, SqlDialect.SqlServer];

    private DbContextOptionsBuilder Retrying(DbContextOptionsBuilder options)
    {
        var (most, longest) = (3, TimeSpan.FromMilliseconds(10));
        return engine == SqlDialect.SqlServer
            ? options.UseSqlServer(_database.ConnectionString, sql => sql.EnableRetryOnFailure(most, longest, null))
            : options.UseNpgsql((NpgsqlDataSource)_database.DataSource, npgsql => npgsql.EnableRetryOnFailure(most, longest, null));
    }

    /// <summary>Breaks the connection once, before a command that mentions a word.</summary>
    private sealed class BreakOnce(SqlDialect engine) : DbCommandInterceptor
    {
        public string? Next { get; set; }

        public DbException Broken() => engine == SqlDialect.SqlServer
            ? SqlServerError.Of(10054, "The connection broke.", new IOException("Broken pipe"))
            : new NpgsqlException("The connection broke.", new IOException("Broken pipe"));

        public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default)
        {
            if (Next is not { } word || !command.CommandText.Contains(word, StringComparison.Ordinal))
                return ValueTask.FromResult(result);
            Next = null;
            throw Broken();
        }
    }
}
