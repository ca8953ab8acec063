using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqlServerLockTests() : LockSuite(DatabaseLockPlace.On(SqlDialect.SqlServer));
