using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

[TestFixture(false)]
[TestFixture(true)]
internal sealed class SqlServerRepartitionTests(bool readCommittedSnapshot) : RepartitionSuite(SqlDialect.SqlServer)
{
    protected override async Task<TestDatabase> CreateDatabaseAsync()
    {
        var database = await TestSqlServer.CreateAsync(readCommittedSnapshot);
        await database.CreateTablesAsync();
        return database;
    }
}
