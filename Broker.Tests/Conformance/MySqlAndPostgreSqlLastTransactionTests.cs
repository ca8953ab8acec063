using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class MySqlAndPostgreSqlLastTransactionTests() : TwoPhaseCommitSuite(new TestTransfers.Pairing(SqlDialect.MySql, SqlDialect.PostgreSql, SecondIsLast: true));
