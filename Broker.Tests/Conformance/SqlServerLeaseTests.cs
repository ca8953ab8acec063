using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

[TestFixture(false)]
[TestFixture(true)]
internal sealed class SqlServerLeaseTests(bool readCommittedSnapshot) : LeaseSuite(SqlDialect.SqlServer)
{
    protected override async Task<TestDatabase> CreateEmptyDatabaseAsync() => await TestSqlServer.CreateAsync(readCommittedSnapshot);
}
