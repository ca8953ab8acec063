using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqliteLockTests() : LockSuite(DatabaseLockPlace.On(SqlDialect.Sqlite));
