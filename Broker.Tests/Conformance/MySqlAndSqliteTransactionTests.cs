using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class MySqlAndSqliteTransactionTests() : TwoPhaseCommitSuite(new TestTransfers.Pairing(SqlDialect.MySql, SqlDialect.Sqlite));
