using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class PostgreSqlLockTests() : LockSuite(DatabaseLockPlace.On(SqlDialect.PostgreSql));
