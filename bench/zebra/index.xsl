<?xml version="1.0" encoding="UTF-8"?>
<!-- Index entries of a MARC 21 record for Zebra's DOM filter: the fields that our catalogue indexes, once as words (:w),
     headings and titles as phrases too (:p), sort keys (:s), and all words of the record (any:w). -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
    xmlns:marc="http://www.loc.gov/MARC21/slim" xmlns:z="http://indexdata.com/zebra-2.0"
    exclude-result-prefixes="marc">
  <xsl:output method="xml" encoding="UTF-8"/>
  <xsl:template match="text()"/>

  <xsl:template match="marc:record">
    <z:record type="update">
      <xsl:apply-templates select="marc:controlfield | marc:datafield"/>
      <z:index name="any:w">
        <xsl:for-each select="marc:controlfield | marc:datafield/marc:subfield">
          <xsl:value-of select="."/>
          <xsl:text> </xsl:text>
        </xsl:for-each>
      </z:index>
    </z:record>
  </xsl:template>

  <xsl:template match="marc:controlfield[@tag='001']">
    <z:index name="control-number:w control-number:0"><xsl:value-of select="."/></z:index>
  </xsl:template>
  <xsl:template match="marc:controlfield[@tag='008']">
    <z:index name="year:y year:s"><xsl:value-of select="substring(., 8, 4)"/></z:index>
    <z:index name="language:w"><xsl:value-of select="substring(., 36, 3)"/></z:index>
  </xsl:template>

  <xsl:template match="marc:datafield[@tag='245']">
    <xsl:call-template name="put">
      <xsl:with-param name="index" select="'title:w title:p'"/>
      <xsl:with-param name="codes" select="'abnp'"/>
    </xsl:call-template>
    <xsl:call-template name="put">
      <xsl:with-param name="index" select="'author:w'"/>
      <xsl:with-param name="codes" select="'c'"/>
    </xsl:call-template>
    <z:index name="title:s"><xsl:value-of select="substring(marc:subfield[@code='a'], @ind2 + 1)"/></z:index>
  </xsl:template>
  <xsl:template match="marc:datafield[contains(' 130 210 222 240 242 246 247 730 740 ', concat(' ', @tag, ' '))]">
    <xsl:call-template name="put">
      <xsl:with-param name="index" select="'title:w title:p'"/>
      <xsl:with-param name="codes" select="'abnpt'"/>
    </xsl:call-template>
  </xsl:template>
  <xsl:template match="marc:datafield[contains(' 100 110 111 700 710 711 720 ', concat(' ', @tag, ' '))]">
    <xsl:call-template name="put">
      <xsl:with-param name="index" select="'author:w author:p'"/>
      <xsl:with-param name="codes" select="'abcdq'"/>
    </xsl:call-template>
    <xsl:if test="starts-with(@tag, '1')">
      <z:index name="author:s"><xsl:value-of select="marc:subfield[@code='a']"/></z:index>
    </xsl:if>
    <xsl:if test="starts-with(@tag, '7') and marc:subfield[@code='t']">
      <xsl:call-template name="put">
        <xsl:with-param name="index" select="'title:w title:p'"/>
        <xsl:with-param name="codes" select="'tnp'"/>
      </xsl:call-template>
    </xsl:if>
  </xsl:template>
  <xsl:template match="marc:datafield[contains(' 600 610 611 630 647 648 650 651 653 655 ', concat(' ', @tag, ' '))]">
    <xsl:call-template name="put">
      <xsl:with-param name="index" select="'subject:w subject:p'"/>
      <xsl:with-param name="codes" select="'abcdnpqtvxyz'"/>
    </xsl:call-template>
  </xsl:template>
  <xsl:template match="marc:datafield[contains(' 440 490 800 810 811 830 ', concat(' ', @tag, ' '))]">
    <xsl:call-template name="put">
      <xsl:with-param name="index" select="'series:w series:p'"/>
      <xsl:with-param name="codes" select="'anptv'"/>
    </xsl:call-template>
  </xsl:template>
  <xsl:template match="marc:datafield[@tag='260' or @tag='264']">
    <xsl:call-template name="put">
      <xsl:with-param name="index" select="'publisher:w publisher:p'"/>
      <xsl:with-param name="codes" select="'b'"/>
    </xsl:call-template>
    <xsl:call-template name="put">
      <xsl:with-param name="index" select="'note:w'"/>
      <xsl:with-param name="codes" select="'ac'"/>
    </xsl:call-template>
  </xsl:template>
  <xsl:template match="marc:datafield[starts-with(@tag, '5') or @tag='250']">
    <xsl:call-template name="put">
      <xsl:with-param name="index" select="'note:w'"/>
      <xsl:with-param name="codes" select="'abcdgrt'"/>
    </xsl:call-template>
  </xsl:template>
  <xsl:template match="marc:datafield[@tag='020' or @tag='022' or @tag='024']">
    <xsl:call-template name="put">
      <xsl:with-param name="index" select="'isbn:w isbn:0'"/>
      <xsl:with-param name="codes" select="'az'"/>
    </xsl:call-template>
  </xsl:template>
  <xsl:template match="marc:datafield[contains(' 050 082 084 090 092 099 ', concat(' ', @tag, ' '))]">
    <xsl:call-template name="put">
      <xsl:with-param name="index" select="'class:w class:p class:s'"/>
      <xsl:with-param name="codes" select="'ab'"/>
    </xsl:call-template>
  </xsl:template>
  <xsl:template match="marc:datafield[@tag='852' or @tag='952']">
    <xsl:call-template name="put">
      <xsl:with-param name="index" select="'item:w item:p'"/>
      <xsl:with-param name="codes" select="'abchopy'"/>
    </xsl:call-template>
  </xsl:template>

  <xsl:template name="put">
    <xsl:param name="index"/>
    <xsl:param name="codes"/>
    <z:index name="{$index}">
      <xsl:for-each select="marc:subfield[contains($codes, @code)]">
        <xsl:value-of select="."/>
        <xsl:if test="position() != last()"><xsl:text> </xsl:text></xsl:if>
      </xsl:for-each>
    </z:index>
  </xsl:template>
</xsl:stylesheet>
