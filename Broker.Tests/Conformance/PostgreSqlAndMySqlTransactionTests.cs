using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class PostgreSqlAndMySqlTransactionTests() : TwoPhaseCommitSuite(new TestTransfers.Pairing(SqlDialect.PostgreSql, SqlDialect.MySql));
