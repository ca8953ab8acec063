using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class MySqlAndMySqlTransactionTests() : TwoPhaseCommitSuite(new TestTransfers.Pairing(SqlDialect.MySql, SqlDialect.MySql, SecondDecides: true));
