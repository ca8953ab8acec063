using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class MySqlLockTests() : LockSuite(DatabaseLockPlace.On(SqlDialect.MySql));
