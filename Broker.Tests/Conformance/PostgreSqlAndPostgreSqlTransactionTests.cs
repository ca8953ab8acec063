using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class PostgreSqlAndPostgreSqlTransactionTests() : TwoPhaseCommitSuite(new TestTransfers.Pairing(SqlDialect.PostgreSql, SqlDialect.PostgreSql));
