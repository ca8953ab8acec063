using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class PostgreSqlAndSqliteTransactionTests() : TwoPhaseCommitSuite(new TestTransfers.Pairing(SqlDialect.PostgreSql, SqlDialect.Sqlite));
